// The page of the poll. The room is named by `?room=` or `#`; everyone with the same address sees the same poll.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "lobby";
const path = `/parties/main/${encodeURIComponent(room)}`;
const address = `${location.protocol.replace("http", "ws")}//${location.host}${path}?_pk=${key()}`;
const element = (id) => document.getElementById(id);
let socket;
let wait = 250;
let poll = null;
let voted = null;

/** Who this browser is: it has one vote. */
function key() {
  const made = localStorage.getItem("key") ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
  localStorage.setItem("key", made);
  return made;
}

function vote(number) {
  element("sorry").textContent = "";
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ vote: number }));
}

/** The button of an answer, with a bar as long as its part of the votes. */
function answer(number) {
  const made = Object.assign(document.createElement("button"), { id: `answer-${number}`, type: "button" });
  const text = Object.assign(document.createElement("span"), { className: "text" });
  const count = Object.assign(document.createElement("span"), { className: "count", id: `count-${number}` });
  made.append(text, count);
  made.onclick = () => vote(number);
  return made;
}

function show() {
  const connected = socket?.readyState === WebSocket.OPEN;
  element("status").textContent = connected ? "connected" : "connecting";
  element("create").hidden = !connected || poll !== null;
  element("poll").hidden = poll === null;
  if (!poll) return;
  document.title = element("asked").textContent = poll.question;
  const answers = element("answers");
  if (answers.children.length !== poll.options.length) answers.replaceChildren(...poll.options.map((_, number) => answer(number)));
  poll.options.forEach(({ text, votes }, number) => {
    const button = answers.children[number];
    button.firstChild.textContent = text;
    button.lastChild.textContent = `${votes} · ${poll.votes ? Math.round((100 * votes) / poll.votes) : 0} %`;
    button.style.setProperty("--part", poll.votes ? votes / poll.votes : 0);
    button.ariaPressed = String(number === voted);
    button.disabled = !connected;
  });
  element("votes").textContent = `${poll.votes} ${poll.votes === 1 ? "vote" : "votes"}${voted === null ? "" : "; tap another answer to move yours"}`;
}

const receive = {
  poll(now) {
    poll = now;
    show();
  },
  voted(number) {
    voted = number;
    show();
  },
  sorry(why) {
    element("sorry").textContent = why;
  },
};

function connect() {
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = 250;
    show();
  };
  socket.onmessage = (message) => {
    for (const [kind, value] of Object.entries(JSON.parse(message.data))) receive[kind]?.(value);
  };
  socket.onclose = () => {
    show();
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 5000);
  };
}

/** Read the poll once by GET, as any program can: it is there before the socket is. */
async function read() {
  const response = await fetch(path);
  if (response.ok && poll === null) receive.poll(await response.json());
}

element("create").onsubmit = async (event) => {
  event.preventDefault();
  const options = element("options").value.split("\n").map((line) => line.trim()).filter(Boolean);
  const body = JSON.stringify({ question: element("question").value, options });
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => undefined);
  receive.sorry(response === undefined ? "the host does not answer" : response.ok ? "" : await response.text());
};
element("room").textContent = room;
element("json").href = path;
addEventListener("hashchange", () => location.reload());
connect();
read().catch(() => {});
