// An OSCQuery client by oscquery, with node-osc and ws for what it leaves to them: node oscquery_client.mjs PORT
// Each line of standard input is a command, as JSON: ["read", "/strength"] prints the control as the show describes it,
// ["set", "/strength", 0.5] sends it to the port that the show names for OSC, and ["listen", "/strength"] prints
// ["/strength", VALUE] now and at each change. It ends with its standard input.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Client, decode } from "node-osc";
import { OSCQueryDiscovery } from "oscquery";
import { WebSocket } from "ws";

const print = (value) => console.log(JSON.stringify(value));
const show = await new OSCQueryDiscovery().queryNewService("127.0.0.1", Number(process.argv[2]));
const osc = new Client(show.hostInfo.oscIp ?? show.address, show.hostInfo.oscPort);
const changes = new WebSocket(`ws://${show.address}:${show.port}/`);
changes.on("message", (data, isBinary) => {
  const { address, args } = isBinary ? decode(data) : { address: String(data), args: [] };
  print([address, ...args.map(({ value }) => value)]);
});
await once(changes, "open");

const commands = {
  async read(address) {
    await show.update();
    print(show.flat().find((method) => method.full_path === address) ?? null);
  },
  set: (...message) => osc.send(message),
  listen: (address) => changes.send(JSON.stringify({ COMMAND: "LISTEN", DATA: address })),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...values] = JSON.parse(line);
  await commands[command](...values);
}
changes.close();
await osc.close();
