// Package manifest reads objects from YAML and JSON files, strictly, and knows
// where each field of each object stands.
//
// It works in three steps that can be used alone:
//
//   - Files and Read find the files and split them into Documents, one for
//     each YAML document and for each item of a List; Parse does it for text
//     that is in memory.
//   - Objects decodes the documents of the kinds that verdicts depend on into
//     their API types. Unknown fields, wrong types, repeated keys and unknown
//     kinds are Problems with file, line and column. Kinds that have nothing to
//     do with policy (Deployment, ConfigMap, ...) are skipped in silence.
//   - State translates the objects (package translate), adds what the API
//     server would have added, places the Problems, and checks the whole.
//
// What is misspelt never opens anything: a policy with a part that could not be
// decoded denies what that part governs (semantics.md section 0, decision 3).
package manifest
