// Package explain turns a plan of PostgreSQL, as EXPLAIN (FORMAT JSON) prints it, into the answer of MongoDB's explain
// command.
//
// The translation is pure and made from a closed vocabulary: names of stages and numbers are taken over, names of tables, SQL
// and conditions never are. What a stage filters or sorts by is told in the client's own words, from its command. A node
// of the plan that has no counterpart among MongoDB's stages is left out if it passes documents through, or named after what
// it does.
package explain
