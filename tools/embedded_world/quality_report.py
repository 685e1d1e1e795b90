"""stub"""
def finish(*a): print(a)
