// Rows of tests/clients/partysocket.txt: each is tried by itself, in a room of its own, and said to have passed or failed.

import { leave } from "./host.js";
import { closeAll } from "./sockets.js";

/** Tries all rows, and says of each what has come of it. The Rust test compares that with the table. */
export async function tryAll(rows) {
  for (const [name, run] of Object.entries(rows)) {
    let outcome = "passed";
    try {
      await run(name);
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
      outcome = `failed ${error.message}`.replaceAll("\n", " ");
    }
    closeAll();
    console.log(`row ${name} ${outcome}`);
  }
  leave();
}
