// Adds a copy button beside every [data-copy] element. The text can be
// selected without it.
for (const source of document.querySelectorAll("[data-copy]")) {
	const button = document.createElement("button");
	button.type = "button";
	button.className = "plain";
	button.textContent = "Copy";
	button.setAttribute("aria-label", `Copy ${source.dataset.copy}`);
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(source.textContent);
			button.textContent = "Copied";
		} catch {
			getSelection().selectAllChildren(source);
			button.textContent = "Selected";
		}
		setTimeout(() => { button.textContent = "Copy"; }, 2000);
	});
	if (source.tagName === "PRE") source.before(button);
	else source.after(button);
}
