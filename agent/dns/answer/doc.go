// Package answer reads what a DNS server says: the question that was asked, and
// which addresses it gives to which names. It reads whatever is on the wire, and
// believes nothing that the question does not lead to.
//
// An answer to www.example.com that says
//
//	www.example.com  CNAME  x.cdn.net
//	x.cdn.net        A      192.0.2.1
//	other.org        A      192.0.2.9
//
// gives 192.0.2.1 to www.example.com and to x.cdn.net, and nothing to other.org.
package answer
