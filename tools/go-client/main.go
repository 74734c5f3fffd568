// Connects with the Go SDK as it is by default.
//
// go-client <url> <tool> <arguments as JSON> lists the tools, calls one, and
// prints what it saw as JSON.
//
// go-client <url> prints the revision as JSON, then calls what each line of its
// input says, {"name": …, "arguments": …}, and prints {"text": …} or {"error": …};
// it ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const patience = 20 * time.Second

type call struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func main() {
	session := connect(os.Args[1])
	defer session.Close()
	if len(os.Args) == 2 {
		say(map[string]any{"revision": session.InitializeResult().ProtocolVersion})
		callEach(session)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := session.ListTools(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	text, err := answer(session, call{os.Args[2], json.RawMessage(os.Args[3])})
	if err != nil {
		log.Fatal(err)
	}
	say(map[string]any{"revision": session.InitializeResult().ProtocolVersion, "tools": names, "text": text})
}

func connect(url string) *mcp.ClientSession {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := mcp.NewClient(&mcp.Implementation{Name: "go-client", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return session
}

func callEach(session *mcp.ClientSession) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked call
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		if text, err := answer(session, asked); err != nil {
			say(map[string]any{"error": err.Error()})
		} else {
			say(map[string]any{"text": text})
		}
	}
}

func answer(session *mcp.ClientSession, asked call) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: asked.Name, Arguments: asked.Arguments})
	if err != nil {
		return "", err
	}
	if content, ok := result.Content[0].(*mcp.TextContent); ok {
		return content.Text, nil
	}
	return "", nil
}

func say(what any) {
	if err := json.NewEncoder(os.Stdout).Encode(what); err != nil {
		log.Fatal(err)
	}
}
