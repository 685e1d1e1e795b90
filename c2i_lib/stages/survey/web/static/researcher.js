// The researcher's page: it follows the raters, copies links, closes and reopens the survey.
"use strict";

const place = location.pathname;
const get = (id) => document.getElementById(id);

async function refresh() {
  const focused = document.activeElement;
  if (document.hidden || focused.matches("#progress input")) return; // a link may be selected
  try {
    const response = await fetch(place, { cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html"); // text that the server has escaped
    get("progress").replaceWith(fresh.getElementById("progress"));
    const label = focused.getAttribute("aria-label");
    if (label) document.querySelector(`#progress [aria-label="${CSS.escape(label)}"]`)?.focus();
    get("done").textContent = "";
  } catch {
    get("done").textContent = "The server cannot be reached: the figures above may be old.";
  }
}

async function toggle() {
  const closed = get("close").dataset.closed !== "true";
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${place}/closed`, { method: "POST", headers, body: JSON.stringify({ closed }) });
    if (!response.ok) throw new Error(`status ${response.status}`);
  } catch {
    get("done").textContent = "That did not work: the server cannot be reached.";
    return;
  }
  get("close").dataset.closed = String(closed);
  get("close").textContent = closed ? "Reopen the survey" : "Close the survey";
  await refresh();
  get("done").textContent = closed ? "The survey is closed." : "The survey is open again.";
}

async function copy(button) {
  const field = button.previousElementSibling;
  field.select(); // where a browser does not let us copy, Ctrl+C does
  try {
    await navigator.clipboard.writeText(field.value);
    button.focus();
    get("done").textContent = "Link copied.";
  } catch {
    get("done").textContent = "The link is selected: press Ctrl+C to copy it.";
  }
}

for (const link of document.querySelectorAll("[data-table]")) link.href = `${place}/${link.dataset.table}.csv`;
get("close").addEventListener("click", toggle);
document.addEventListener("click", (event) => { if (event.target.matches(".copy")) copy(event.target); });
setInterval(refresh, 10000);
