// An OSC surface by node-osc: node osc_client.mjs PORT
// Each line of standard input is a message to the show, as JSON: ["/strength", 0.5]. Each message from the show is printed
// in the same form. It ends with its standard input.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Server } from "node-osc";

const port = Number(process.argv[2]);
const surface = new Server(0, "127.0.0.1");
surface.on("message", (message) => console.log(JSON.stringify(message)));
await once(surface, "listening");
for await (const line of createInterface({ input: process.stdin })) {
  await surface.send(JSON.parse(line), port, "127.0.0.1");
}
await surface.close();
