"use strict";
const said = document.getElementById("said");
for (const button of document.querySelectorAll("button")) {
  const code = button.previousElementSibling, word = button.firstChild, name = word.data;
  button.hidden = false;
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    said.textContent = word.data = done ? "Copied" : "Selected";
    setTimeout(() => { word.data = name; said.textContent = ""; }, 2000);
  });
}
