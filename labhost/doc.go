// Package labhost is the process that stands for a machine or a pod in the lab:
// it listens, dials and holds connections open on request, and says exactly
// what happened. One runs in each network namespace; the lab (package
// standalone/lab) starts it and speaks with it over standard input and output.
//
// # Protocol
//
// Both directions are JSON, one object a line: a Request in, and one Response
// out for each, with the same ID, in any order. End of input ends the process.
//
//	> {"id":1,"op":"name","name":"blue/be-1"}
//	< {"id":1}
//	> {"id":2,"op":"listen","proto":"tcp","port":80}
//	< {"id":2}
//	> {"id":3,"op":"dial","proto":"tcp","addr":"10.244.1.2","port":80,"timeout":1000000000}
//	< {"id":3,"result":{"outcome":"answered","by":"red/be-1","seen":"10.244.2.2:41020","duration":312000}}
//
// What listens answers each line (TCP) or datagram (UDP) with its own name, the
// text it was sent and the address it was sent from. So an answer proves which
// process the packets reached and that it was this attempt's packets, and a
// wrong machine that answers at the right address is noticed.
//
// The package uses the standard library only, so that the light product binary
// can carry it: a lab starts dozens of these processes.
package labhost
