// Gives each block of commands a button that copies it. Without this script, or where the browser does not let pages
// copy (it does over https), there are no buttons.
"use strict";

const SHOWN = 2000; // milliseconds for which a button says what it did

function addButton(block) {
  const code = block.querySelector("code");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${block.dataset.copy}`);
  const said = document.createElement("span");
  said.className = "unseen";
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
      button.textContent = said.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // the next best thing: Ctrl-C does the rest
      button.textContent = said.textContent = "Selected";
    }
    setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, SHOWN);
  });
  block.append(button, said);
}

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach(addButton);
}
