import { Anchor } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Page } from '../../parts/page';
import { Empty } from '../../parts/query-view';

/** Who can reach whom, as a matrix: an honest empty place until the server gives it. */
export function ConnectivityPage() {
  return (
    <Page title="Connectivity" about="Groups of endpoints against groups and ports: what policy allows, beside what was seen.">
      <Empty title="The matrix is not here yet">
        The server does not give the matrix to pages in this version. One pair at a time: <Anchor component={Link} to="/explain">Can X reach Y?</Anchor> What was seen: <Anchor component={Link} to="/flows">Flows</Anchor>. In a terminal:{' '}
        <code>tierwall explain --from A --to B --port tcp/80</code>
      </Empty>
    </Page>
  );
}
