// Package faulttest breaks what enforcement stands on, under traffic, and counts
// what that does to it: the agent is killed at any moment, the API server is
// killed, others change the kernel's table, policy changes without pause. What is
// denied must never arrive, what is open must go on, what is allowed must never be
// refused.
//
// A short run is part of the tests; a long one is told its size:
//
//	go test ./faulttest -run TestFaults/Kills -v -kills 1000 -timeout 15m
package faulttest
