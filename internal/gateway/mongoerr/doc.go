// Package mongoerr is the error a client sees: MongoDB's code, its name and one sentence.
//
// The engine reports errors in two ways. A statement that fails carries an SQLSTATE: "M" and four base-36 digits for
// MongoDB's own errors, PostgreSQL's usual ones for the rest. A write that succeeds as a statement but not as a command
// carries writeErrors, whose codes are SQLSTATEs packed into an integer, six bits a character. Both end in the same table.
//
// Messages of the engine's own errors go to the client: they speak of the client's command. Messages of anything else may
// name files, tables or other users' data; they are kept as the cause, for logs, and the client is told the code alone.
package mongoerr
