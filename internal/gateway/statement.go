package gateway

import "context"

// queryRow runs a statement of a command that returns one row, with the rights that the command has taken. All SQL that
// does a client's work goes through it or through exec.
func (c *conn) queryRow(ctx context.Context, r *request, sql string, args []any, dest ...any) error {
	return c.cluster.node.queryRow(ctx, c.login(r), sql, args, dest...)
}

// exec is queryRow for a statement that returns nothing.
func (c *conn) exec(ctx context.Context, r *request, sql string, args ...any) error {
	return c.cluster.node.exec(ctx, c.login(r), sql, args...)
}

// login is whose rights a command's statements have.
func (c *conn) login(*request) login { return asUser(c.user) }
