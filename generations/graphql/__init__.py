"""The GraphQL door at /graphql/: typed, documented, and thin over filters, paging, metrics and the verbs."""
