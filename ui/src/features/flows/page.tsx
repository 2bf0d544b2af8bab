import { Anchor } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { flowsQuery } from '../../api/queries';
import { Page } from '../../parts/page';
import { Empty, Failure } from '../../parts/query-view';

/** Live connections: an honest empty place until agents record them. */
export function FlowsPage() {
  const query = useQuery(flowsQuery);
  return (
    <Page title="Flows" about="Connections as they are made: source, destination, port, verdict, and the policy and rule that decided.">
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data && <Empty title="No flows are shown here">
        The server says: {query.data.reason}. What a connection <em>would</em> meet is known all the same: <Anchor component={Link} to="/explain">Can X reach Y?</Anchor>
      </Empty>}
    </Page>
  );
}

export function ConnectivityPage() {
  return (
    <Page title="Connectivity" about="Groups of endpoints against groups and ports: what policy allows, beside what was seen.">
      <Empty title="The matrix is not here yet">
        The server does not give the matrix to pages in this version, and agents do not record flows to compare it with. One pair at a time: <Anchor component={Link} to="/explain">Can X reach Y?</Anchor> In a terminal:{' '}
        <code>tierwall explain --from A --to B --port tcp/80</code>
      </Empty>
    </Page>
  );
}
