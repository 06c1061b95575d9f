// Adds a copy button beside every [data-copy] element, which says what the
// button copies; the page says the button's own words. The text can be
// selected without it.
const [copy, copied, selected] = document.querySelector("[data-copy-words]").dataset.copyWords.split("|");
for (const source of document.querySelectorAll("[data-copy]")) {
	const button = document.createElement("button");
	button.type = "button";
	button.className = "plain";
	button.textContent = copy;
	button.setAttribute("aria-label", source.dataset.copy);
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(source.textContent);
			button.textContent = copied;
		} catch {
			getSelection().selectAllChildren(source);
			button.textContent = selected;
		}
		setTimeout(() => { button.textContent = copy; }, 2000);
	});
	if (source.tagName === "PRE") source.before(button);
	else source.after(button);
}
