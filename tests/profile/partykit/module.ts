// A party in PartyKit's older form, an object, that listens by itself.

import type * as Party from "partykit/server";

export default {
  onConnect(connection: Party.Connection, room: Party.Room) {
    connection.addEventListener("message", (message) => connection.send(`${room.id} heard ${message.data}`));
  },
} satisfies Party.PartyKitServer;
