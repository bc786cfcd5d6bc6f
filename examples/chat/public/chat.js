// The page of the chat. The room is named by `?room=` or `#`; everyone with the same address is in it.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "lobby";
const address = `${location.protocol.replace("http", "ws")}//${location.host}/parties/main/${encodeURIComponent(room)}`;
const element = (id) => document.getElementById(id);
let socket;
let wait = 250;
let typedAt = 0;
let introducedAs = "";

function item(...parts) {
  const li = document.createElement("li");
  li.append(...parts);
  return li;
}

function line({ name, text }) {
  const bold = document.createElement("b");
  bold.textContent = name;
  return item(bold, `: ${text}`);
}

/** Add lines below, and keep the newest in sight unless the reader has scrolled away. */
function add(lines) {
  const list = element("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...lines);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

const receive = {
  history(all) {
    element("messages").replaceChildren();
    add(all.map(line));
  },
  said(one) {
    add([line(one)]);
  },
  people(names) {
    element("people").replaceChildren(...names.map((name) => item(name)));
  },
  typing(names) {
    const others = names.filter((name) => name !== element("name").value.trim());
    element("typing").textContent =
      others.length === 0 ? "" : `${others.join(", ")} ${others.length === 1 ? "is" : "are"} typing…`;
  },
};

function send(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** Tell the room our name, if it does not know it yet. */
function introduce() {
  const name = element("name").value.trim();
  if (!name || name === introducedAs || socket.readyState !== WebSocket.OPEN) return;
  introducedAs = name;
  sessionStorage.setItem("name", name);
  send({ name });
}

function show(connected) {
  element("status").textContent = connected ? "connected" : "connecting";
  element("send").disabled = !connected;
}

function connect() {
  socket = new WebSocket(address);
  introducedAs = "";
  socket.onopen = () => {
    wait = 250;
    show(true);
    introduce();
  };
  socket.onmessage = (message) => {
    for (const [kind, value] of Object.entries(JSON.parse(message.data))) receive[kind]?.(value);
  };
  socket.onclose = () => {
    show(false);
    receive.typing([]);
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 5000);
  };
}

element("room").textContent = room;
element("name").value = sessionStorage.getItem("name") ?? `guest ${Math.floor(Math.random() * 1000)}`;
element("name").onchange = introduce;
element("message").oninput = () => {
  const now = Date.now();
  if (element("message").value && now - typedAt > 1000) {
    typedAt = now;
    send("typing");
  }
};
element("form").onsubmit = (event) => {
  event.preventDefault();
  const text = element("message").value.trim();
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  introduce();
  send({ say: text });
  element("message").value = "";
  typedAt = 0;
};
addEventListener("hashchange", () => location.reload());
connect();
