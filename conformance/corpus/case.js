// A case of the corpus: what it says, the document, and who refuses it. The request may have `variables`, or `json`: the text of
// variables that JavaScript would write in another way. It may have an `operationName`.

/** A document that is answered. */
export function accepted(says, document, request = {}) {
  return { says, document, refusedBy: null, ...withVariables(request) };
}

/** A document that is refused as a whole: by `syntax`, by a rule of graphql-js, by the `operation` or by the `variables`. */
export function refused(refusedBy, says, document, request = {}) {
  return { says, document, refusedBy, ...withVariables(request) };
}

function withVariables(request) {
  return request.json === undefined ? request : { ...request, variables: JSON.parse(request.json) };
}
