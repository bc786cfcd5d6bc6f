// The page of the game. The room is named by `?room=` or `#`; everyone with the same address is at the same table.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "lobby";
const address = `${location.protocol.replace("http", "ws")}//${location.host}/parties/main/${encodeURIComponent(room)}?_pk=${key()}`;
const element = (id) => document.getElementById(id);
let socket;
let wait = 250;
let me = null;
let game;

/** Who this tab is, also when it is loaded again: to the room a person is their key. */
function key() {
  const made = sessionStorage.getItem("key") ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
  sessionStorage.setItem("key", made);
  return made;
}

function send(message) {
  element("sorry").textContent = "";
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

const fields = Array.from({ length: 9 }, (_, number) => {
  const field = Object.assign(document.createElement("button"), { id: `field-${number}`, type: "button" });
  field.onclick = () => send({ play: number });
  return field;
});

/** What is to be said of the game. */
function words({ end, seats, turn }) {
  if (end === "drawn") return "A draw";
  if (end) return end.won.by === me ? "You have won" : `${end.won.by} has won`;
  if (Object.values(seats).includes("free")) return "Waiting for a player";
  return turn === me ? "Your turn" : `The turn of ${turn}`;
}

function show() {
  const connected = socket.readyState === WebSocket.OPEN;
  element("status").textContent = connected ? "connected" : "connecting";
  if (!game) return;
  const { end, seats, turn } = game;
  const playing = connected && !end && !Object.values(seats).includes("free");
  fields.forEach((field, number) => {
    const mark = game.fields[number] ?? "";
    if (field.textContent !== mark) field.textContent = mark;
    const free = playing && !mark && turn === me;
    field.className = [mark, free && "free", end?.won?.line.includes(number) && "won"].filter(Boolean).join(" ");
    field.ariaLabel = `row ${Math.floor(number / 3) + 1}, column ${(number % 3) + 1}: ${mark || "empty"}`;
  });
  for (const mark of ["X", "O"]) {
    const seat = element(`seat-${mark}`);
    seat.lastElementChild.textContent = mark === me ? "you" : { free: "free", here: "is here", away: "is away" }[seats[mark]];
    seat.className = playing && turn === mark ? "turn" : "";
  }
  element("turn").textContent = words(game);
  element("sit").textContent = me ? "Stand up" : "Sit down";
  element("sit").disabled = !connected || (!me && Object.values(seats).every((seat) => seat === "here"));
  element("again").disabled = !connected || !me || !end;
}

const receive = {
  you(mark) {
    me = mark;
    show();
  },
  game(now) {
    game = now;
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

element("room").textContent = room;
element("board").append(...fields);
element("sit").onclick = () => send(me ? "stand" : "sit");
element("again").onclick = () => send("again");
addEventListener("hashchange", () => location.reload());
connect();
