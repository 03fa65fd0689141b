// Examples: values that a schema allows, and requests that can be pasted into a shell.

/** What a field is called says more of a good value than what it must be. */
const VALUES = {
  username: "ada",
  email: "ada@example.com",
  first_name: "Ada",
  last_name: "Lovelace",
  password: "Analytical-Engine-1843",
  password_confirm: "Analytical-Engine-1843",
  current_password: "Difference-Engine-1822",
  content: "Hello",
  name: "Lunch",
  q: "hello",
  search: "ada",
  emoji: "👍",
  token: "Z3JlZW4tcmVkLWJsdWUtZ3JlZW4tcmVkLWJsdWUtZ3Jl",
  refresh_token: "Ymx1ZS1ncmVlbi1yZWQtYmx1ZS1ncmVlbi1yZWQtYmx1",
  redirect_uri: "https://app.example.com/signed-in",
  redirect_uris: ["https://app.example.com/signed-in"],
  response_type: "code",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  code_challenge_method: "S256",
  grant_type: "client_credentials",
  query: "{ me { id username } }",
  token_type: "Bearer",
};

/** The optional fields that make a request worth sending, by operation; one without required fields sends its first. */
const SENT = {
  sign_in: ["username"],
  sign_up: ["username"],
  send_message: ["client_id"],
  start_conversation: ["name", "participant_ids"],
  add_participant: ["user_id"],
  change_settings: ["muted"],
  change_user: ["disabled"],
  change_profile: ["first_name"],
  register_oauth_client: ["redirect_uris"],
  decide_authorization: ["username", "password"],
};

const FORMATS = {
  uuid: "01890a5d-ac96-774b-bcce-b302099a8057",
  "date-time": "2026-01-02T03:04:05Z",
  email: "ada@example.com",
  uri: "https://app.example.com/signed-in",
  password: VALUES.password,
};

/**
 * A value that a schema allows: its own example if it has one.
 *
 * @param {object} document where references lead
 * @param {object} schema
 * @param {string} [name] what the field is called
 * @param {string[]} [within] the schemas that this one is in; one that contains itself ends there
 */
export function exampleOf(document, schema, name = "", within = []) {
  if (schema.examples) return schema.examples[0];
  if (schema.$ref !== undefined) {
    if (within.includes(schema.$ref)) return null;
    const target = schema.$ref.split("/").slice(1).reduce((at, key) => at[key], document);
    return exampleOf(document, target, name, [...within, schema.$ref]);
  }
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => exampleOf(document, one, name, within)));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return exampleOf(document, choices[0], name, within);
  if (schema.enum) return schema.enum[0];
  const type = [schema.type].flat()[0];
  if (type === "object") return objectOf(document, schema, within);
  if (VALUES[name] !== undefined) return VALUES[name];
  if (type === "array") return [exampleOf(document, schema.items ?? {}, name, within)];
  if (type === "boolean") return true;
  if (type === "integer" || type === "number") return schema.default ?? Math.max(schema.minimum ?? 1, 1);
  return FORMATS[schema.format] ?? "text";
}

function objectOf(document, schema, within) {
  const fields = Object.entries(schema.properties ?? {});
  return Object.fromEntries(fields.map(([name, field]) => [name, exampleOf(document, field, name, within)]));
}

/** The body of a request, with the fields that it needs. */
export function bodyOf(document, id, schema) {
  const target = schema.$ref ? schema.$ref.split("/").slice(1).reduce((at, key) => at[key], document) : schema;
  const all = exampleOf(document, { ...target, examples: undefined });
  const needed = [...(target.required ?? []), ...(SENT[id] ?? [])];
  const chosen = needed.length > 0 ? needed : Object.keys(all).slice(0, 1);
  const sent = Object.entries(all).filter(([name]) => chosen.includes(name));
  return target.examples?.[0] ?? Object.fromEntries(sent);
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const CREDENTIALS = {
  bearer: '-H "Authorization: Bearer $TOKEN"',
  metrics: '-H "Authorization: Bearer $METRICS_TOKEN"',
  client: '-u "$CLIENT_ID:$CLIENT_SECRET"',
};

/**
 * A call by curl, with the credential in a variable of the shell.
 *
 * @param {object} document OpenAPI
 * @param {string} origin as "https://chat.example.com"
 * @param {{method: string, path: string, operation: object}} what
 */
export function curl(document, origin, { method, path, operation }) {
  const parameters = operation.parameters ?? [];
  const value = ({ name, schema }) => encodeURIComponent(String(exampleOf(document, schema, name)));
  const at = (place) => parameters.filter((one) => one.in === place);
  const filled = at("path").reduce((text, one) => text.replace(`{${one.name}}`, value(one)), path);
  const query = at("query").filter((one) => one.required).map((one) => `${one.name}=${value(one)}`).join("&");
  const parts = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}"${origin}${filled}${query && `?${query}`}"`];
  const scheme = (operation.security ?? []).flatMap((one) => Object.keys(one))[0];
  if (scheme) parts.push(CREDENTIALS[scheme]);
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    const body = bodyOf(document, operation.operationId, schema);
    if (type === "application/json") parts.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(body))}`);
    else for (const [name, text] of Object.entries(body)) parts.push(`--data-urlencode ${quoted(`${name}=${text}`)}`);
  }
  return parts.join(" \\\n  ");
}

/** The operations whose requests are given more than they need. */
export const tuned = Object.keys(SENT);
