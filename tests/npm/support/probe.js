// A client of the probe (tests/guests), which does what it is told.

import { connect } from "./sockets.js";
import { Inbox, next } from "./wait.js";

/** One PartySocket, and what it is told. */
export class Client {
  constructor(options) {
    this.socket = connect(options);
    this.inbox = new Inbox(this.socket);
  }

  /** One that is open. */
  static async open(options) {
    const client = new Client(options);
    await next(client.socket, "open");
    return client;
  }

  /** Sends a word to the probe; gives its answer. The probe also tells everyone in the room who has left it. */
  ask(word) {
    this.socket.send(word);
    return this.answer();
  }

  /** The next answer. */
  answer() {
    return this.inbox.takeUntil((message) => !/^\d+ closed /.test(message));
  }

  /** Whom the room has seen leaving next: `CODE REASON clean` or `… lost`. */
  async left() {
    const told = await this.inbox.takeUntil((message) => /^\d+ closed /.test(message));
    return told.replace(/^\d+ closed /, "");
  }

  /** Sends a word that makes the room close this client; gives code and reason. */
  async closedBy(word) {
    const closed = next(this.socket, "close");
    this.socket.send(word);
    const { code, reason } = await closed;
    return [code, reason];
  }
}

/** What is warned of while this runs. */
export async function warnings(run) {
  const { warn } = console;
  const said = [];
  console.warn = (text) => said.push(text);
  try {
    await run();
  } finally {
    console.warn = warn;
  }
  return said;
}
