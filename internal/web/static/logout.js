// Goes on to the app once the page and its frames are loaded, or after three
// seconds; the link does it without script.
const loaded = new Promise((done) => {
	if (document.readyState === "complete") done();
	else addEventListener("load", done);
});
const enough = new Promise((done) => { setTimeout(done, 3000); });
await Promise.race([loaded, enough]);
document.getElementById("logout-continue").click();
