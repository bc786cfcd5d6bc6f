// The page of the chat with a bot. The room is named by `?room=` or `#`; everyone with the same address is in it.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "lobby";
const address = `${location.protocol.replace("http", "ws")}//${location.host}/parties/main/${encodeURIComponent(room)}`;
const element = (id) => document.getElementById(id);
/** What is shown of each line, by its number. */
const shown = new Map();
let socket;
let wait = 250;
let said = "";

/** Do something with the lines, and keep the newest in sight unless the reader has scrolled away. */
function change(lines) {
  const list = element("lines");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  lines(list);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function end(line, state) {
  line.item.classList.toggle("growing", state === "growing");
  // Who listens to the page is read an answer once, when it is there.
  line.item.ariaBusy = String(state === "growing");
  line.note.textContent = state.broken_off ? ` (${state.broken_off})` : "";
}

function add({ number, name, text, state }) {
  const item = document.createElement("li");
  const bold = Object.assign(document.createElement("b"), { textContent: name });
  const line = { item, text: document.createTextNode(text), note: document.createElement("em") };
  item.classList.toggle("bot", name === "bot");
  item.append(bold, ": ", line.text, line.note);
  end(line, state);
  shown.set(number, line);
  change((list) => list.append(item));
}

const receive = {
  history(all) {
    shown.clear();
    element("lines").replaceChildren();
    all.forEach(add);
  },
  said: add,
  grows({ number, text }) {
    change(() => shown.get(number)?.text.appendData(text));
  },
  ended({ number, state }) {
    const line = shown.get(number);
    if (line) change(() => end(line, state));
  },
  sorry(why) {
    element("sorry").textContent = why;
    // It was not taken: it can be said again.
    if (!element("text").value) element("text").value = said;
  },
};

function show(connected) {
  element("status").textContent = connected ? "connected" : "connecting";
  element("send").disabled = !connected;
}

function connect() {
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = 250;
    show(true);
  };
  socket.onmessage = (message) => {
    for (const [kind, value] of Object.entries(JSON.parse(message.data))) receive[kind]?.(value);
  };
  socket.onclose = () => {
    show(false);
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 5000);
  };
}

element("room").textContent = room;
element("name").value = sessionStorage.getItem("name") ?? `guest ${Math.floor(Math.random() * 1000)}`;
element("name").onchange = () => sessionStorage.setItem("name", element("name").value.trim());
element("form").onsubmit = (event) => {
  event.preventDefault();
  const [name, text] = [element("name").value.trim(), element("text").value.trim()];
  if (!name || !text || socket.readyState !== WebSocket.OPEN) return;
  element("sorry").textContent = "";
  said = text;
  socket.send(JSON.stringify({ say: { name, text } }));
  element("text").value = "";
};
addEventListener("hashchange", () => location.reload());
connect();
