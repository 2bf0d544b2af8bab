// Package translate turns API objects into model values, one object at a time:
// defaults are filled in, selectors are rewritten for the scope of their policy
// (semantics.md section 6), and what is wrong or not supported is reported as
// Problems with the field's path.
//
// Functions are pure, one file per kind. What cannot be read never opens
// anything: an unreadable applies-to selector selects nothing, and a direction
// with an unreadable rule denies all that the policy selects (section 0,
// decision 3).
package translate
