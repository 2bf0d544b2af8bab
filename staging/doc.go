// Package staging enforces and discards staged policies through the API, with the
// rights of whoever's client it is given.
package staging
