// Package spelling guesses which word a misspelt one stands for, for hints.
package spelling
