// The page of examples/cursors in two tabs: pointers that move, wave and go, the keyboard, the end of the host; and a client
// that says itself where it comes from, which nobody believes.

import { WebSocket } from "ws";

import { kill, start } from "../support/host.js";
import { connect } from "../support/sockets.js";
import { test } from "../support/browser.js";

/** Where the pointers of others are, as a page shows them. */
const others = (field) =>
  Array.from(field.querySelectorAll(".cursor:not(.mine):not([hidden])"), ({ style }) => `${style.left} ${style.top}`).join();
const mine = (field) =>
  Array.from(field.querySelectorAll(".cursor.mine:not([hidden])"), ({ style }) => `${style.left} ${style.top}`).join();
const waves = (field) => String(field.querySelectorAll(".wave").length);

/** A client that says it comes from France. */
class French extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { headers: { "cf-ipcountry": "FR" } });
  }
}

await test(async (open) => {
  const ada = await open("/?room=page");
  await ada.reads("status", "connected");
  await ada.lists("people", ["you: red 🌍"]);
  const ben = await open("/?room=page");
  await ben.lists("people", ["you: blue 🌍", "red 🌍"]);
  await ada.lists("people", ["you: red 🌍", "blue 🌍"]);
  await ben.shows("field", others, "");

  // Each moves, and the other sees it.
  await ada.point(0.25, 0.5);
  await ben.shows("field", others, "25% 50%");
  await ben.point(0.75, 0.1);
  await ada.shows("field", others, "75% 10%");
  await ada.point(0.5, 0.5);
  await ben.shows("field", others, "50% 50%");
  await ben.press("field", "ArrowDown");
  await ada.shows("field", others, "75% 12%");
  await ben.shows("field", mine, "75% 12%");

  // Who waves is seen to; it passes.
  await ada.press("field", "Enter");
  for (const tab of [ada, ben]) await tab.shows("field", waves, "1");
  for (const tab of [ada, ben]) await tab.shows("field", waves, "0");

  // Nobody believes a client where it comes from.
  const french = connect({ room: "page", WebSocket: French });
  await ada.holds("people", ["you: red 🌍", "blue 🌍", "green 🌍"]);
  french.close();
  await ada.lists("people", ["you: red 🌍", "blue 🌍"]);

  // The host is killed and comes back: so do the pages, with their pointers where they were.
  await kill();
  for (const tab of [ada, ben]) {
    await tab.reads("status", "connecting");
    await tab.lists("people", []);
  }
  await start();
  await ada.shows("field", others, "75% 12%");
  await ben.shows("field", others, "50% 50%");

  // Who comes later is shown all pointers; who closes the page vanishes.
  const cleo = await open("/?room=page");
  await cleo.shows(
    "field",
    (field) =>
      Array.from(field.querySelectorAll(".cursor:not(.mine):not([hidden])"), ({ style }) => style.left).sort().join(),
    "50%,75%",
  );
  await ben.close();
  await ada.shows("field", others, "");
  await cleo.shows("field", others, "50% 50%");
});
