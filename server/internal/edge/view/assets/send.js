// Sends the one form of the page, whose button does the same without scripts.
document.getElementById('send').submit();
