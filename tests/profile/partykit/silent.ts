// A party that has nothing to say to connections.

import type * as Party from "partykit/server";

export default class Silent implements Party.Server {
  onRequest() {
    return new Response("silent");
  }
}
