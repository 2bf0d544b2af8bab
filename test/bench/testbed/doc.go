// Package testbed is a node with two pods for the benchmarks of the kernel:
// three network namespaces of this process and nothing outside of it. They have
// no names and vanish with the process, however it ends.
//
// What is measured is the CPU time of one thread, that of the sender: on a veth
// pair the packet is carried through the node to the other pod by the thread
// that sends it, so that the load of others changes the figures little. It needs
// root, and a kernel that charges the time of soft interrupts to the thread in
// which they run (CONFIG_IRQ_TIME_ACCOUNTING is off nearly everywhere).
package testbed
