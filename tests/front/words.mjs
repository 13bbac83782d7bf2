// Words what it is told to: a list of [function, ...arguments] comes in, and their words go out.
import * as said from "../../carviz/screen/front/wording.js";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const asked = JSON.parse(Buffer.concat(chunks).toString());
// JSON has no NaN.
const number = (value) => (value === "nan" ? NaN : value);
console.log(JSON.stringify(asked.map(([name, ...given]) => said[name](...given.map(number)))));
