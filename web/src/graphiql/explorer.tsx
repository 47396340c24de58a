import { GraphiQL } from 'graphiql';
import { type ReactElement, useEffect, useMemo, useRef, useState } from 'react';
import { listenToOtherTabs } from '../session/other-tabs.js';
import { loginUrl } from '../session/return-path.js';
import { readSession } from '../session/session.js';
import { SessionHeader } from '../session/session-header.js';
import { keepAccessible } from './accessible.js';
import { fetcherThatTells } from './fetcher.js';
import { memoryStorage } from './memory-storage.js';

const FIRST_QUERY = `# Ctrl-Enter runs the operation at the cursor. What is typed here is forgotten when the page is left.
query Credentials {
  credentials(first: 10) {
    totalCount
    nodes {
      id
      name
      owner {
        name
      }
    }
  }
}

subscription Changes {
  credentialChanged {
    action
    credentialId
    valueVersion
  }
}
`;

/** Shows who is signed in, in the head of the page. */
async function fillHeader(): Promise<void> {
  const header = document.querySelector('session-header');
  if (header instanceof SessionHeader) {
    header.session = await readSession().catch(() => undefined);
  }
}

/** GraphiQL on this server, with a way to sign in when the server wants it. */
export function Explorer(): ReactElement {
  const [signedOut, setSignedOut] = useState(false);
  const fetcher = useMemo(() => fetcherThatTells(setSignedOut), []);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void fillHeader();
    return listenToOtherTabs((what) => {
      if (what === 'session') {
        void fillHeader();
      }
    });
  }, []);
  useEffect(() => (place.current ? keepAccessible(place.current) : undefined), []);
  return (
    <div className="explorer" ref={place}>
      <h1 className="visually-hidden">Explorer</h1>
      {signedOut && (
        <div className="alert page-alert" role="alert">
          <span>The server wants to know who asks.</span>
          <span>
            <a href={loginUrl(location)} target="_blank" rel="noopener">
              Sign in in a new tab
            </a>
            , or write an Authorization header below.
          </span>
        </div>
      )}
      <GraphiQL
        fetcher={fetcher}
        storage={memoryStorage}
        defaultQuery={FIRST_QUERY}
        shouldPersistHeaders={false}
        forcedTheme="system"
      />
    </div>
  );
}
