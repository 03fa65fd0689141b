// Holds an AsyncAPI document against its specification, by the parser of those who write that.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

// Findings about style, which the specification leaves open.
const OF_STYLE = new Set(["asyncapi-latest-version"]);

new Parser().validate(readFileSync(process.argv[2], "utf8")).then((found) => {
  const wrong = found.filter((one) => !OF_STYLE.has(one.code));
  for (const one of wrong) {
    console.error(`${one.path.join(".")}: ${one.message} (${one.code})`);
  }
  process.exitCode = wrong.length > 0 ? 1 : 0;
});
