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

function make(tag, id, textContent = "") {
  return Object.assign(document.createElement(tag), { id, textContent });
}

/** The place of an order on the page, made when it is first needed. */
function card({ number, wish }) {
  const found = element(`order-${number}`);
  if (found) return found;
  const pay = make("button", `pay-${number}`, "Pay");
  pay.onclick = () => send({ pay: number });
  const made = make("li", `order-${number}`);
  made.append(make("h2", `wish-${number}`, `${number} ${wish}`), pay, make("ul", `story-${number}`));
  element("orders").prepend(made);
  return made;
}

/** Show an order as it stands: what has happened, and a button while it waits for its payment. */
function update(order) {
  const made = card(order);
  const lines = order.story.map(({ at, what }) => {
    const line = document.createElement("li");
    line.textContent = what;
    line.dataset.at = new Date(at).toLocaleTimeString();
    return line;
  });
  element(`story-${order.number}`).replaceChildren(...lines);
  element(`pay-${order.number}`).disabled = !order.waits;
  return made;
}

const receive = {
  orders(all) {
    element("orders").replaceChildren(...all.map(update).reverse());
  },
  order(one) {
    element("sorry").textContent = "";
    update(one);
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
