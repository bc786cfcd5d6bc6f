// The page of the shop. The room is named by `?room=` or `#`; everyone with the same address sees the same orders.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "shop";
const address = `${location.protocol.replace("http", "ws")}//${location.host}/parties/main/${encodeURIComponent(room)}`;
const element = (id) => document.getElementById(id);
let socket;
let wait = 250;

function send(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function make(tag, ...parts) {
  const made = document.createElement(tag);
  made.append(...parts);
  return made;
}

/** An order as it stands: what is wanted, what has happened, and a button while it waits for its payment. */
function card({ number, wish, story, waits }) {
  const lines = story.map(({ at, what }) => make("li", make("time", new Date(at).toLocaleTimeString()), what));
  const made = make("li", make("h2", `${number} ${wish}`));
  made.id = `order-${number}`;
  if (waits) {
    const pay = make("button", "Pay");
    pay.id = `pay-${number}`;
    pay.onclick = () => send({ pay: number });
    made.append(pay);
  }
  const list = make("ul", ...lines);
  list.id = `story-${number}`;
  made.append(list);
  return made;
}

const receive = {
  orders(all) {
    element("orders").replaceChildren(...all.map(card).reverse());
  },
  order(one) {
    element("sorry").textContent = "";
    const before = element(`order-${one.number}`);
    if (before) before.replaceWith(card(one));
    else element("orders").prepend(card(one));
  },
  sorry(why) {
    element("sorry").textContent = why;
  },
};

function show(connected) {
  element("status").textContent = connected ? "connected" : "connecting";
  element("place").disabled = !connected;
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
element("form").onsubmit = (event) => {
  event.preventDefault();
  const wish = element("wish").value.trim();
  if (!wish || socket.readyState !== WebSocket.OPEN) return;
  send({ order: wish });
  element("wish").value = "";
};
addEventListener("hashchange", () => location.reload());
connect();
