// A party in PartyKit's older form, which can sleep because it has onMessage.

import type * as Party from "partykit/server";

export default {
  onConnect(connection: Party.Connection) {
    connection.send("welcome");
  },
  onMessage(message: string | ArrayBuffer, connection: Party.Connection, room: Party.Room) {
    connection.send(`${room.id} ${[...room.getConnections()].length} ${message}`);
  },
  onRequest(request: Party.Request, room: Party.Room) {
    return new Response(`${request.method} ${room.id}`);
  },
} satisfies Party.PartyKitServer;
