"""The Python client gql: HTTP by aiohttp, subscriptions by graphql-transport-ws, and documents checked on the client against the
schema that it read by introspection."""

import asyncio
import unittest

from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from server import Server

VIEWER = gql("query { viewer { name } }")

CREATE = """
    mutation ($input: CreateCredentialInput!) {
        createCredential(input: $input) { credential { id name } userErrors { code field message } }
    }
"""

ROTATE = """
    mutation ($input: UpdateCredentialInput!) {
        updateCredential(input: $input) { credential { valueVersion } userErrors { code field message } }
    }
"""

FOLLOW = gql("subscription { credentialChanged { action credentialId valueVersion credential { name } } }")


def with_input(document, **fields):
    request = gql(document)
    request.variable_values = {"input": fields}
    return request


class GqlTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())

    def http(self, sub, role):
        headers = {"Authorization": self.server.authorization(sub, role)}
        transport = AIOHTTPTransport(url=self.server.url, headers=headers)
        return Client(transport=transport, fetch_schema_from_transport=True)

    def sockets(self, authorization):
        """Clients with both of gql's transports over WebSockets."""
        options = {"url": self.server.web_socket_url, "init_payload": {"Authorization": authorization}}
        # This one looks for the header `Sec-WebSocket-Protocol` by case: when the server writes it small, the transport takes the
        # first protocol that it offered itself for the chosen one. By default that is an older one.
        offered = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
        yield Client(transport=WebsocketsTransport(**options, subprotocols=offered))
        # This one offers both by default, and the server takes the right one.
        yield Client(transport=AIOHTTPWebsocketsTransport(**options))

    async def test_a_query_is_answered(self):
        async with self.http("alice", "viewer") as session:
            self.assertEqual(await session.execute(VIEWER), {"viewer": {"name": "alice"}})

    async def test_a_document_that_does_not_fit_the_schema_is_refused_by_the_client_already(self):
        async with self.http("alice", "viewer") as session:
            with self.assertRaisesRegex(Exception, "Cannot query field 'nothing'"):
                await session.execute(gql("{ nothing }"))

    async def test_a_mutation_is_answered(self):
        async with self.http("alice", "editor") as session:
            answer = await session.execute(with_input(CREATE, name="gql", value="secret"))
        self.assertEqual(answer["createCredential"]["credential"]["name"], "gql")

    async def test_the_code_of_an_error_arrives(self):
        async with self.http("vera", "viewer") as session:
            with self.assertRaises(TransportQueryError) as raised:
                await session.execute(with_input(CREATE, name="refused", value="secret"))
        [error] = raised.exception.errors
        self.assertEqual(error["path"], ["createCredential"])
        self.assertEqual(error["extensions"]["code"], "FORBIDDEN")

    async def test_a_subscription_gets_what_another_client_changes_in_order(self):
        for follower in self.sockets(self.server.authorization("vera", "viewer")):
            name = f"followed-by-{type(follower.transport).__name__}"
            with self.subTest(name):
                async with self.http("alice", "editor") as editor, follower as session:
                    events = session.subscribe(FOLLOW)
                    first = asyncio.create_task(anext(events))
                    # This task starts after the other one, and the server takes in what comes on a socket in order: with the
                    # query answered, it follows the changes.
                    await asyncio.create_task(session.execute(VIEWER))
                    expected = await create_and_rotate(editor, name)
                    changes = [await first, await anext(events)]
                    await events.aclose()
                self.assertEqual([change["credentialChanged"] for change in changes], expected)

    async def test_a_bad_token_closes_the_socket(self):
        for client in self.sockets("Bearer nonsense"):
            with self.subTest(type(client.transport).__name__):
                with self.assertRaises(TransportConnectionFailed):
                    async with client:
                        self.fail("The socket was accepted.")


async def create_and_rotate(session, name):
    """Creates a credential and replaces its value. Returns the two events that tell of it, in order."""
    created = await session.execute(with_input(CREATE, name=name, value="first"))
    identity = created["createCredential"]["credential"]["id"]
    await session.execute(with_input(ROTATE, credentialId=identity, value="second"))
    told = {"credentialId": identity, "credential": {"name": name}}
    return [
        {"action": "CREDENTIAL_CREATED", "valueVersion": 1, **told},
        {"action": "CREDENTIAL_ROTATED", "valueVersion": 2, **told},
    ]


if __name__ == "__main__":
    unittest.main()
