/** The text of an operation, with the types of its variables and of its answer. */
export type Document<Answer, Variables> = string & { readonly types?: (variables: Variables) => Answer };
