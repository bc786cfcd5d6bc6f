// Everything that PartySocket does, row by row, against the probe. What each row says is in tests/clients/partysocket.txt.

import { tryAll } from "../support/rows.js";
import * as binary from "./behaviours/binary.js";
import * as buffering from "./behaviours/buffering.js";
import * as closing from "./behaviours/closing.js";
import * as events from "./behaviours/events.js";
import * as fetching from "./behaviours/fetching.js";
import * as ids from "./behaviours/ids.js";
import * as protocols from "./behaviours/protocols.js";
import * as query from "./behaviours/query.js";
import * as react from "./behaviours/react.js";
import * as reconnecting from "./behaviours/reconnecting.js";
import * as updating from "./behaviours/updating.js";
import * as url from "./behaviours/url.js";

await tryAll({
  ...url.rows,
  ...query.rows,
  ...fetching.rows,
  ...ids.rows,
  ...reconnecting.rows,
  ...closing.rows,
  ...buffering.rows,
  ...updating.rows,
  ...events.rows,
  ...binary.rows,
  ...protocols.rows,
  ...react.rows,
});
