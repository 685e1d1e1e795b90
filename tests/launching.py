"""Work in other processes: as ``accelerate launch`` starts two, and what a spawned one must be able to import."""

import socket
import sys

from c2i_lib.stages.prompts.writer import Writer


def launch_two():
    """``accelerate launch`` on a free port; without a GPU the processes talk through gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    return [*command, "--main_process_port", str(port)]


def write_texts(profile, ones, n_tokens):
    """The texts of prompts of the arm ``base``."""
    return [prompt.text for prompt in Writer("base", profile).write(ones, n_tokens)]
