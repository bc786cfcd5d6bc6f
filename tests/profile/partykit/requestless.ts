// A party that answers no requests.

import type * as Party from "partykit/server";

export default class Requestless implements Party.Server {
  onMessage(message: string | ArrayBuffer, from: Party.Connection) {
    from.send(message);
  }
}
