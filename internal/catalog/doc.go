// Package catalog says what can be had: plans, regions, versions and their prices.
//
// The catalog that comes with Tine is embedded; an operator replaces it as a whole with a file of the same form. A catalog is read once,
// checked completely and never changes afterwards, so it may be used from any number of goroutines. Callers must not change the slices
// it hands out.
package catalog
