// Package conntrack reads the kernel's table of connections: which are in it, and
// that they come and go. It is made for tens of thousands of events a second: it
// reads them in batches into one buffer and allocates nothing for one. (The
// library ti-mo/conntrack makes some twenty objects of each, and ends for good
// when the kernel had to drop events.)
package conntrack
