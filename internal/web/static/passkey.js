// A passkey's answer goes into its form. Without this file the page has its
// other ways.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const ids = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

const options = (form) => {
	const o = JSON.parse(form.dataset.options);
	o.challenge = bytes(o.challenge);
	if (o.user) o.user = { ...o.user, id: bytes(o.user.id) };
	if (o.allowCredentials) o.allowCredentials = ids(o.allowCredentials);
	if (o.excludeCredentials) o.excludeCredentials = ids(o.excludeCredentials);
	return o;
};

const send = (form, c) => {
	const r = c.response;
	const response = { clientDataJSON: text(r.clientDataJSON) };
	for (const name of ["authenticatorData", "signature", "userHandle", "attestationObject"]) if (r[name]) response[name] = text(r[name]);
	if (r.getTransports) response.transports = r.getTransports();
	form.elements.answer.value = JSON.stringify({
		id: c.id, rawId: text(c.rawId), type: c.type, response,
		clientExtensionResults: {}, authenticatorAttachment: c.authenticatorAttachment || undefined,
	});
	form.submit();
};

const forms = [...document.querySelectorAll("form[data-passkey]")];
let waiting;

for (const form of window.PublicKeyCredential ? forms : []) {
	const making = form.dataset.passkey === "create";
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		waiting?.abort();
		const said = form.querySelector("[role=alert]");
		if (said) said.hidden = true;
		try {
			const publicKey = options(form);
			send(form, making ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey }));
		} catch {
			if (said) said.hidden = false;
		}
	});
	if ("autofill" in form.dataset && (await PublicKeyCredential.isConditionalMediationAvailable?.())) {
		waiting = new AbortController();
		navigator.credentials.get({ publicKey: options(form), mediation: "conditional", signal: waiting.signal }).then((c) => send(form, c), () => {});
	}
}
if (!window.PublicKeyCredential) for (const form of forms) form.hidden = true;
