// The unmodified PartySocket, with the WebSocket of `ws` because Node.js 20 has none of its own.

import PartySocket from "partysocket";
import { WebSocket } from "ws";

import { host, leave } from "./host.js";

const opened = [];

/** A PartySocket as a program makes it, closed at the end of the test. */
export function connect(options) {
  const socket = new PartySocket({ host, party: "main", WebSocket, ...options });
  // A target without a listener for errors is fine in browsers; here it keeps the reason for the output of a failure.
  socket.addEventListener("error", (event) => console.error(`${options.room}: ${event.message}`));
  opened.push(socket);
  return socket;
}

/** A request to a room, by PartySocket's own means. */
export function request(options, init) {
  return PartySocket.fetch({ host, party: "main", ...options }, init);
}

/** Closes all that were opened. */
export function closeAll() {
  for (const socket of opened.splice(0)) socket.close();
}

/** Runs a test: it passes if nothing is thrown. */
export async function test(run) {
  try {
    await run();
  } finally {
    closeAll();
    leave();
  }
}
