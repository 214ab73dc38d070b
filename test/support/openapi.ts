/** Requests and answers compared with an OpenAPI description. */
import assert from 'node:assert/strict';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

interface Content {
  readonly 'application/json'?: { readonly schema: Schema };
}

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

/** A description, or the part of one that a test needs. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** An operation and what its path was filled with. */
export interface Call {
  readonly operation: Operation;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The operation of `method` and `path`; undefined when the description has none. Fixed paths go before templates. */
export function findOperation(api: OpenApi, method: string, path: string): Call | undefined {
  const templates = Object.keys(api.paths).sort((a, b) => a.split('{').length - b.split('{').length);
  for (const template of templates) {
    const pattern = template.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
    const match = new RegExp(`^${pattern}$`).exec(path);
    const operation = api.paths[template]?.[method.toLowerCase()];
    if (match === null || operation === undefined) continue;
    return { operation, parameters: { ...match.groups } };
  }
  return undefined;
}

/** Fails unless `body` is what the operation takes. */
export function checkRequest({ operation }: Call, body: unknown): void {
  const { operationId: id, requestBody } = operation;
  const schema = requestBody?.content['application/json']?.schema;
  if (schema === undefined) assert.equal(body, undefined, `${id} takes no body`);
  else check(schema, body, id);
}

/** Fails unless `status` and `body` are what the operation answers. */
export function checkResponse({ operation }: Call, status: number, body: unknown): void {
  const response = operation.responses[status];
  assert.ok(response !== undefined, `${operation.operationId} does not answer ${status}`);
  const schema = response.content?.['application/json']?.schema;
  if (schema === undefined) assert.equal(body, undefined, `${operation.operationId} answers no body`);
  else check(schema, body, `${operation.operationId} ${status}`);
}

const understood = new Set(
  'type properties required additionalProperties enum pattern format items anyOf'.split(' '),
);

function check(schema: Schema, value: unknown, where: string): void {
  for (const word of Object.keys(schema))
    assert.ok(understood.has(word), `${where}: ${word} is not understood`);
  if (schema.anyOf !== undefined) {
    assert.ok(
      schema.anyOf.some((one) => passes(() => check(one, value, where))),
      `${where}: none of the alternatives`,
    );
  }
  if (schema.enum !== undefined) assert.ok(schema.enum.includes(value), `${where}: ${String(value)}`);
  if (schema.type === 'object') checkObject(schema, value, where);
  else if (schema.type === 'array') {
    assert.ok(Array.isArray(value), where);
    for (const [index, item] of value.entries())
      if (schema.items) check(schema.items, item, `${where}[${index}]`);
  } else if (schema.type === 'integer') assert.ok(Number.isInteger(value), where);
  else if (schema.type !== undefined) assert.equal(typeof value, schema.type, where);
  if (schema.pattern !== undefined) assert.match(String(value), new RegExp(schema.pattern), where);
  if (schema.format === 'date-time') assert.ok(!Number.isNaN(Date.parse(String(value))), where);
}

function checkObject(schema: Schema, value: unknown, where: string): void {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), where);
  const properties = schema.properties ?? {};
  for (const name of schema.required ?? []) assert.ok(name in value, `${where} has no ${name}`);
  for (const [name, one] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    // GitHub ignores what it does not know; a client that sends it has a mistake in it.
    assert.ok(known !== undefined, `${where}: ${name} is not described`);
    check(known, one, `${where}.${name}`);
  }
}

function passes(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
