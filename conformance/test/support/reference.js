// What the reference implementation of GraphQL says of a request, before anything is executed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { GraphQLError, Kind, buildSchema, getOperationAST, getVariableValues, parse, specifiedRules, validate } from 'graphql';

import { repository } from './server.js';

export const schema = buildSchema(readFileSync(join(repository, 'schema.graphql'), 'utf8'));

// What a scalar of the schema takes is in its specification, and not in the schema.
const dateTime = schema.getType('DateTime');
dateTime.parseValue = parseDateTime;
dateTime.parseLiteral = (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined);

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i;

function parseDateTime(value) {
  const [, day] = (typeof value === 'string' && RFC_3339.exec(value)) || [];
  // JavaScript takes 30 February for 2 March.
  if (day === undefined || !new Date(value).valueOf() || new Date(day).toISOString().slice(0, 10) !== day) {
    throw new GraphQLError('This is no date-time of RFC 3339.');
  }
  return value;
}

/** The names of what refuses the request; none when it is to be executed. */
export function refusals({ document, variables, operationName }) {
  let parsed;
  try {
    parsed = parse(document);
  } catch {
    return ['syntax'];
  }
  if (validate(schema, parsed).length > 0) {
    const broken = specifiedRules.filter((rule) => validate(schema, parsed, [rule]).length > 0);
    return broken.map(({ name }) => name);
  }
  const operation = getOperationAST(parsed, operationName);
  if (!operation) {
    return ['operation'];
  }
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {});
  return errors ? ['variables'] : [];
}

/** Whether what would be executed is a subscription. */
export function isSubscription({ document, operationName }) {
  try {
    const { definitions } = parse(document);
    return definitions.some(
      ({ operation, name }) =>
        operation === 'subscription' && (operationName === undefined || name?.value === operationName),
    );
  } catch {
    return false;
  }
}
