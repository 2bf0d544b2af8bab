// Package evaluate is the oracle: a plain, slow reading of what policy means
// (semantics.md sections 6 to 9). It walks tiers, policies and rules one by one
// for one packet at one endpoint and records the way.
//
// It exists to be obviously right. It shares nothing with compile but the model
// and the selector language; that both give the same verdict and the same trace
// for every packet is the project's most important test.
package evaluate
