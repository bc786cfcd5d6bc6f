// The page of the cursors. The room is named by `?room=` or `#`; src/frame.rs says what its bytes are.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "lobby";
const address = `${location.protocol.replace("http", "ws")}//${location.host}/parties/main/${encodeURIComponent(room)}`;
const element = (id) => document.getElementById(id);
const COLOURS = ["red", "blue", "green", "orange", "violet", "teal", "pink", "lime", "indigo", "gold", "cyan", "magenta"];
const HUES = [0, 215, 135, 25, 270, 175, 335, 85, 240, 45, 195, 300];
const FULL = 65535;
/** A move is sent at most so often, in milliseconds. */
const PACE_MS = 40;
/** What an arrow key moves, in parts of the field. */
const STEP = FULL / 50;
const WAVE = 6;

let socket;
let wait = 250;
/** Who is here, by number. */
const people = new Map();
let me;
/** Where our pointer is, and whether the room has yet to be told. */
let place;
let timer;

function flag(country) {
  return country === "XX" ? "🌍" : String.fromCodePoint(...Array.from(country, (letter) => 0x1f1a5 + letter.charCodeAt(0)));
}

/** Somebody who is here: a pointer in the field, and a line of the list. */
class Person {
  constructor({ number, colour, country }, mine) {
    const name = `${COLOURS[colour]} ${flag(country)}`;
    this.pointer = Object.assign(document.createElement("div"), { id: `cursor-${number}`, className: "cursor", hidden: true });
    if (mine) this.pointer.classList.add("mine");
    this.pointer.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 2l7 19 3-8 8-3z"/></svg><span class="name"></span>`;
    this.pointer.lastChild.textContent = name;
    this.line = Object.assign(document.createElement("li"), { textContent: mine ? `you: ${name}` : name });
    for (const made of [this.pointer, this.line]) made.style.setProperty("--hue", HUES[colour]);
    element("field").append(this.pointer);
    element("people").append(this.line);
  }

  at(x, y) {
    this.pointer.style.left = `${((100 * x) / FULL).toFixed(1)}%`;
    this.pointer.style.top = `${((100 * y) / FULL).toFixed(1)}%`;
    this.pointer.hidden = false;
  }

  away() {
    this.pointer.hidden = true;
  }

  left() {
    this.pointer.remove();
    this.line.remove();
  }

  waves() {
    if (!this.pointer.style.left) return;
    const wave = Object.assign(document.createElement("div"), { className: "wave" });
    wave.style.cssText = this.pointer.style.cssText;
    wave.onanimationend = () => wave.remove();
    element("field").append(wave);
  }
}

/** Reads records, one behind the other. */
function receive(buffer) {
  const view = new DataView(buffer);
  for (let at = 0; at < view.byteLength; ) {
    const kind = view.getUint8(at);
    const number = view.getUint16(at + 1);
    at += 3;
    if (kind === 1 || kind === 2) {
      const country = String.fromCharCode(view.getUint8(at + 1), view.getUint8(at + 2));
      people.set(number, new Person({ number, colour: view.getUint8(at), country }, kind === 1));
      if (kind === 1) me = people.get(number);
      at += 3;
    } else if (kind === 3) {
      people.get(number)?.at(view.getUint16(at), view.getUint16(at + 2));
      at += 4;
    } else if (kind === 4) {
      people.get(number)?.away();
    } else if (kind === 5) {
      people.get(number)?.left();
      people.delete(number);
    } else if (kind === 6) {
      people.get(number)?.waves();
    }
  }
}

function send(bytes) {
  if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
}

/** Tell the room where our pointer is, or that it is nowhere. */
function tell() {
  timer = undefined;
  const bytes = new DataView(new ArrayBuffer(place ? 4 : 0));
  if (place) {
    bytes.setUint16(0, Math.round(place.x));
    bytes.setUint16(2, Math.round(place.y));
  }
  send(bytes);
}

function move(to) {
  place = to && { x: Math.min(Math.max(to.x, 0), FULL), y: Math.min(Math.max(to.y, 0), FULL) };
  if (place) me?.at(place.x, place.y);
  else me?.away();
  timer ??= setTimeout(tell, PACE_MS);
}

function follow(event) {
  const { left, top, width, height } = element("field").getBoundingClientRect();
  move({ x: (FULL * (event.clientX - left)) / width, y: (FULL * (event.clientY - top)) / height });
}

function forget() {
  for (const person of people.values()) person.left();
  people.clear();
  me = undefined;
}

function connect() {
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    wait = 250;
    element("status").textContent = "connected";
  };
  socket.onmessage = (message) => {
    const known = me;
    receive(message.data);
    // We have come, or come back: our pointer is where it is.
    if (me !== known && place) move(place);
  };
  socket.onclose = () => {
    element("status").textContent = "connecting";
    forget();
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 5000);
  };
}

function waveHere() {
  if (timer) clearTimeout(timer);
  tell();
  send(new Uint8Array([WAVE]));
}

const field = element("field");
field.onpointermove = follow;
field.onpointerdown = follow;
field.onpointerup = (event) => {
  follow(event);
  waveHere();
  if (event.pointerType !== "mouse") move(undefined);
};
field.onpointerleave = () => move(undefined);
field.onpointercancel = () => move(undefined);
field.onkeydown = (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (step) {
    const { x, y } = place ?? { x: FULL / 2, y: FULL / 2 };
    move({ x: x + step[0] * STEP, y: y + step[1] * STEP });
  } else if (event.key === "Enter" || event.key === " ") {
    if (!place) move({ x: FULL / 2, y: FULL / 2 });
    waveHere();
  } else {
    return;
  }
  event.preventDefault();
};
element("room").textContent = room;
addEventListener("hashchange", () => location.reload());
connect();
