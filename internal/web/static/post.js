// Sends the response to the app at once; the button does it without script.
document.getElementById("form-post").submit();
