// Goes on to the app once every other app has been told, or after three seconds;
// the link does it without script.
const frames = [...document.querySelectorAll("iframe")];
const go = () => document.getElementById("logout-continue").click();
const loaded = frames.map((f) => new Promise((done) => f.addEventListener("load", done)));
Promise.race([Promise.all(loaded), new Promise((done) => setTimeout(done, 3000))]).then(go);
